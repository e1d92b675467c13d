"""A notebook that is hard to show on slides, with outputs as if it had been run."""

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

TEXT = """# 99 Planted

**Is this a question?**"""
EXERCISES = """## Exercises

1. **Reproduce.** How many?
2. **Vary.** Which one?

<details><summary>Solutions</summary>

1. Three of them.

</details>"""
ROWS = 30
TABLE = (
    "<table><thead><tr><th>head</th></tr></thead><tbody>"
    + "".join(f"<tr><td>row {row}</td><td>{'remark ' * 12}</td></tr>" for row in range(ROWS))
    + "</tbody></table>"
)


def printed(text):
    return new_output("stream", text=text)


def shown(html):
    return new_output("execute_result", data={"text/html": html, "text/plain": "as text"})


def planted_lesson():
    """A notebook with outputs of all kinds, as if it had been run."""
    long = "\n\n".join(f"Paragraph {place}: " + "some words of it " * 12 for place in range(12))
    cells = [
        new_markdown_cell(TEXT),
        new_markdown_cell(f"## Long\n\n{long}"),
        new_code_cell("\n".join(f"line_{line} = {line}{'  # to the margin'.ljust(112)}" for line in range(15))),
        new_code_cell("print(1)", outputs=[printed("one\n")]),
        new_code_cell("table", outputs=[shown(TABLE)]),
        new_code_cell("panel", outputs=[shown('<div class="panel"><svg viewBox="0 0 300 900"><text>tall</text></svg></div>')]),
        new_markdown_cell(EXERCISES),
        new_code_cell("check = None"),
        new_markdown_cell("## Summary\n\nSee [lesson 00](00_start_here.ipynb) and $x^2$."),
    ]
    return new_notebook(cells=cells)
