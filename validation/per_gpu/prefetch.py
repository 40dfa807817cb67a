"""One machine instruction that numba does not offer: fetch a cache line ahead of its use."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _fetch_line(typing: Any, matrix: Any, row: Any, column: Any) -> Any:
    """Ask for the cache line of an element of a matrix, without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tools: Any = cgutils
        array = context.make_array(matrix)(context, builder, arguments[0])
        indices = list(arguments[1:])
        place = tools.get_item_pointer(context, builder, matrix, array, indices, wraparound=False)
        word, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        prefetch = tools.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, near, data = (ir.Constant(word, number) for number in (0, 3, 1))
        builder.call(prefetch, [builder.bitcast(place, byte), read, near, data])
        return context.get_dummy_value()

    return types.void(matrix, types.intp, types.intp), generate


fetch_line: Any = intrinsic(_fetch_line)
