"""Reads a practice's tables with three engines that are not ours and prints what each of them sums up.

Usage: read_tables.py FOLDER, where FOLDER holds a Delta table for each dataset. Prints one JSON object: by engine and table
the rows and the sum of its money, as text of four places.
"""

import json
import sys
from pathlib import Path

import deltalake
import duckdb
import polars

MONEY = {"procedure": "proc_fee", "payment_split": "split_amt"}


def by_deltalake(table, column):
    query = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(str(table)))
    rows = query.execute(f"SELECT COUNT(*) AS n, CAST(SUM({column}) AS VARCHAR) AS total FROM t").read_all()
    return rows["n"][0].as_py(), rows["total"][0].as_py()


def by_duckdb(table, column):
    # Its own Delta extension is a download; it reads the files that the table's log names.
    files = deltalake.DeltaTable(str(table)).file_uris()
    sql = f"SELECT COUNT(*), CAST(SUM({column}) AS VARCHAR) FROM read_parquet($files)"
    return duckdb.execute(sql, {"files": files}).fetchone()


def by_polars(table, column):
    frame = polars.scan_delta(str(table)).select(polars.len(), polars.col(column).sum().alias("total")).collect()
    return frame.row(0)


def main(folder):
    engines = {"deltalake": by_deltalake, "duckdb": by_duckdb, "polars": by_polars}
    answer = {}
    for name, read in engines.items():
        for table, column in MONEY.items():
            rows, total = read(Path(folder) / table, column)
            answer[f"{name}.{table}"] = {"rows": int(rows), "total": f"{total}"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1])
