"""A live frame that says where it was pointed at."""

from __future__ import annotations

import anywidget
import traitlets


class DragFrame(anywidget.AnyWidget):
    """Shows a live frame and reports the pointer that is dragged over its first plot.

    Attributes:
        value: the frame as text.
        position: the last point [pixels of the first plot's view box], `[x, y]`.
    """

    _esm = """
    function render({ model, el }) {
      const draw = () => { el.innerHTML = model.get("value"); };
      let down = false, waiting = false;
      const report = (event) => {
        const svg = el.querySelector("svg");
        if (!svg) return;
        const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
        model.set("position", [point.x, point.y]);
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => { waiting = false; model.save_changes(); });
      };
      el.addEventListener("pointerdown", (event) => {
        if (!el.querySelector("svg")?.contains(event.target)) return;
        down = true;
        el.setPointerCapture(event.pointerId);
        report(event);
      });
      el.addEventListener("pointermove", (event) => { if (down) report(event); });
      el.addEventListener("pointerup", () => { down = false; });
      model.on("change:value", draw);
      el.style.touchAction = "none";
      draw();
    }
    export default { render };
    """
    value = traitlets.Unicode("").tag(sync=True)
    position = traitlets.List(traitlets.Float(), [0.0, 0.0], minlen=2, maxlen=2).tag(sync=True)
