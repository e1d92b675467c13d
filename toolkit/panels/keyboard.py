"""What a panel needs to be used without a mouse in JupyterLab."""

from __future__ import annotations

import anywidget


class Keys(anywidget.AnyWidget):
    """Stands unseen in a panel of the class `keyboard-panel` and sees to its keys and its focus.

    JupyterLab takes arrow keys and letters for its own wherever nothing is typed, so that a list could not be moved along:
    in a list they are the list's, and only shortcuts with Ctrl go on to JupyterLab. Escape leads from the panel to its cell.
    A button that is disabled loses the focus to nowhere: it gets it back when it is enabled again, or until then the button
    that has taken its place has it, for Run that is Pause. The focus is never taken from where somebody has put it.
    """

    _esm = """
    const PLACES = {"panel-run": "panel-pause", "panel-pause": "panel-run", "panel-stop": "panel-run"};

    function render({ el }) {
      const panel = () => el.closest(".keyboard-panel"), ending = new AbortController();
      const listen = (type, action) => window.addEventListener(type, event => {
        if (event.target.closest?.(".keyboard-panel") === panel() && panel()) action(event);
      }, { capture: true, signal: ending.signal });
      let last = null;

      listen("keydown", event => {  // on the window, so that it comes before JupyterLab's on the document
        const shortcut = (event.ctrlKey || event.metaKey) && event.key.length === 1 && event.key !== " ";
        if (event.target.matches("select")) event.target.toggleAttribute("data-lm-suppress-shortcuts", !shortcut);
        if (event.key === "Escape") panel().closest(".jp-Cell")?.focus();
      });
      listen("focusin", event => { last = event.target; });
      listen("focusout", event => { if (!event.target.disabled) last = null; });

      const observer = new MutationObserver(() => {
        if (!last || ![last, document.body].includes(document.activeElement)) return;
        const [, place] = Object.entries(PLACES).find(([name]) => last.classList.contains(name)) ?? [];
        const found = last.disabled ? place && panel()?.querySelector(`button.${place}:enabled`) : last;
        found?.focus({ preventScroll: true });
      });
      requestAnimationFrame(() => {
        if (panel()) observer.observe(panel(), { attributes: true, attributeFilter: ["disabled"], subtree: true });
      });
      return () => { ending.abort(); observer.disconnect(); };
    }
    export default { render };
    """
    _css = """
    .keyboard-panel.keyboard-panel :focus-visible:focus-visible {
      outline: 2px solid var(--jp-brand-color1, #1976d2);
      outline-offset: 1px;
    }
    """
