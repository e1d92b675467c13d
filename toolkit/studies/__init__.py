"""Full-scale runs behind the published tables, recorded for replay; `python -m toolkit.studies --help` lists them."""
