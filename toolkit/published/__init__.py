"""The tables and settings printed in the four documents, and own runs beside them.

    table("burghoff_table_3_2_phs_fashionmnist")    the numbers as printed, as a data frame
    compare("burghoff_table_3_2_phs_fashionmnist", ours, on=["learning_rate", "optimizer"], value="accuracy")

The CSV files of this folder and their README are the source; nothing here changes a number.
"""

from toolkit.published.comparison import compare, show
from toolkit.published.documents import Description, describe, doubts, table, tables

__all__ = ["Description", "compare", "describe", "doubts", "show", "table", "tables"]
