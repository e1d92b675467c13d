"""How a panel looks, measured in the page: what is clipped, scrolls, overlaps or cannot be told from its background."""

from playwright.sync_api import Locator

LAYOUT_FAULTS = """root => {
    const faults = [], seen = element => element.getClientRects().length > 0;
    const words = element => element.textContent.trim().slice(0, 40) || element.className;
    for (const element of [root, ...root.querySelectorAll("*")].filter(seen)) {
        const style = getComputedStyle(element);
        const wide = element.scrollWidth > element.clientWidth + 1, high = element.scrollHeight > element.clientHeight + 1;
        if (/TEXTAREA|INPUT|SELECT|OPTION/.test(element.tagName) || element.closest("svg")) continue;
        if (wide && /auto|scroll/.test(style.overflowX) || high && /auto|scroll/.test(style.overflowY))
            faults.push("scroll bar: " + words(element));
        if (wide && style.overflowX === "hidden" && element.matches("label, button, .widget-label, .widget-readout"))
            faults.push("clipped: " + words(element));
    }
    for (const svg of root.querySelectorAll("svg")) {
        const frame = svg.getBoundingClientRect();
        const texts = [...svg.querySelectorAll("text")].map(text => [words(text), text.getBoundingClientRect()]);
        texts.forEach(([words, box], number) => {
            if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1)
                faults.push("outside its plot: " + words);
            for (const [others, other] of texts.slice(number + 1)) {
                const across = Math.min(box.right, other.right) - Math.max(box.left, other.left);
                const down = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
                if (across > 1 && down > 3) faults.push("overlap: " + words + " | " + others);
            }
        });
    }
    return faults;
}"""

OUTSIDE = """root => {
    const frame = root.getBoundingClientRect();
    return [...root.querySelectorAll("button, input, select, table, img, svg, .widget-readout, .widget-label, .noUi-target")]
        .filter(each => each.checkVisibility() && !each.closest("svg svg"))
        .map(each => [each, each.getBoundingClientRect()])
        .filter(([, box]) => box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1)
        .map(([each]) => "outside its output: " + (each.textContent.trim().slice(0, 40) || each.className || each.tagName));
}"""

LEAST_CONTRAST = """root => {
    const numbers = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
    const luminance = colour => numbers(colour).slice(0, 3)
        .map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, number) => sum + part * [0.2126, 0.7152, 0.0722][number], 0);
    let place = root;
    while (numbers(getComputedStyle(place).backgroundColor)[3] === 0) place = place.parentElement;
    const behind = luminance(getComputedStyle(place).backgroundColor);
    const contrast = colour => {
        const before = luminance(colour);
        return (Math.max(before, behind) + 0.05) / (Math.min(before, behind) + 0.05);
    };
    const least = (selector, property) =>
        Math.min(...[...root.querySelectorAll(selector)].map(element => contrast(getComputedStyle(element)[property])));
    return [least("svg text", "fill"), least("svg path", "stroke")];
}"""


def layout_faults(root: Locator) -> list[str]:
    """Scroll bars, clipped words, words outside their plot or on top of each other."""
    return root.evaluate(LAYOUT_FAULTS)


def outside(output: Locator) -> list[str]:
    """Controls, tables and pictures that reach beyond the output of a cell they are in."""
    return output.evaluate(OUTSIDE)


def least_contrast(root: Locator) -> tuple[float, float]:
    """Contrast ratio (1 to 21, as the web's guideline has it) of the faintest text and the faintest curve to what is behind."""
    text, curve = root.evaluate(LEAST_CONTRAST)
    return text, curve
