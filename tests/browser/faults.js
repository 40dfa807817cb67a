// What is wrong with the page that is shown, as JSON: lists that are empty where nothing is.
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const named = (each) => `${each.tagName.toLowerCase()}.${each.className}: ` +
    each.textContent.trim().slice(0, 40);
  const apart = (each) => each.closest(".scroll, .hidden, .skip");
  const shown = all("body *").filter((each) => each.getClientRects().length && !apart(each));

  // Contrast as in WCAG 2.2, of the text of an element with the first opaque ground behind it.
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => {
    const linear = [red, green, blue].map((each) => each / 255)
      .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const found = parts(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const contrast = (each) => {
    const pair = [luminance(parts(getComputedStyle(each).color)), luminance(ground(each))];
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  };
  const written = (each) => [...each.childNodes]
    .some((one) => one.nodeType === Node.TEXT_NODE && one.data.trim());

  return JSON.stringify({
    "missing": [...document.images].filter((each) => !each.complete || !each.naturalWidth).map(named),
    "wide": document.scrollingElement.scrollWidth <= innerWidth
      ? [] : [document.scrollingElement.scrollWidth],
    "sticking out": shown.filter((each) => {
      const box = each.getBoundingClientRect();
      const inside = box.left >= -1 && box.right <= innerWidth + 1;
      return !inside || (each.clientWidth && each.scrollWidth > each.clientWidth + 1);
    }).map(named),
    "without caption": all("figure")
      .filter((each) => !each.querySelector("figcaption")?.textContent.trim()).map(named),
    "without words": [...document.images].filter((each) => !each.alt.trim()).map(named),
    "hard to read": all("body *").filter((each) => each.getClientRects().length && written(each))
      .filter((each) => contrast(each) < 4.5).map(named),
  });
})()
