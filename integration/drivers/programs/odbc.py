"""What psqlODBC does with a connection: python3 odbc.py work | ask SQL | admin. Lines are compared with those of a direct
connection, but for lines that begin with '#'."""

import glob
import os
import sys
from typing import Any, Callable

import pyodbc

DRIVER = next(iter(glob.glob("/usr/lib/*/odbc/psqlodbcw.so")), "psqlodbcw.so")
backends: set[int] = set()


def connected(autocommit: bool = True, **options: str) -> Any:
    """Protocol=7.4-N says what the driver rolls back after an error: 0 nothing, 1 the transaction, 2 the statement."""
    where = {
        "Driver": DRIVER,
        "Server": os.environ["WEIR_HOST"],
        "Port": os.environ["WEIR_PORT"],
        "Database": os.environ["WEIR_DATABASE"],
        "Uid": os.environ["WEIR_USER"],
        "SSLmode": "disable",
        **options,
    }
    return pyodbc.connect(";".join(f"{name}={value}" for name, value in where.items()), autocommit=autocommit)


def run(name: str, what: Callable[[Any], None], autocommit: bool = True, **options: str) -> None:
    connection = connected(autocommit, **options)
    try:
        what(connection)
        print(f"{name}: done")
    except pyodbc.Error as error:
        print(f"{name}: {error.args[0]}")
    connection.close()


def fails(what: Callable[[], Any]) -> None:
    try:
        what()
        print("  did not fail")
    except pyodbc.Error as error:
        print(f"  fails: {error.args[0]}")


def prepared(connection: Any) -> None:
    cursor, other = connection.cursor(), connection.cursor()
    for i in range(30):
        row = cursor.execute("SELECT pg_backend_pid(), ?::int * 2, ?::text, ?::float8", i, f"é{i}", 0.5 * i).fetchone()
        backends.add(row[0])
        print(" ", *row[1:])
        print(" ", *other.execute(f"SELECT ?::int + {i % 3}", i).fetchone())


def transactions(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE odbc_t (id int PRIMARY KEY, name text)")
    connection.commit()
    for i in range(10):
        cursor.execute("INSERT INTO odbc_t VALUES (?, ?)", i, f"n{i}")
        if i % 3 == 0:
            fails(lambda: cursor.execute("INSERT INTO odbc_t VALUES (?, ?)", i, "again"))
            connection.rollback()
        else:
            connection.commit()
    print(" ", *cursor.execute("SELECT count(*), sum(id) FROM odbc_t").fetchone())
    cursor.executemany("INSERT INTO odbc_t VALUES (?, ?)", [(100 + i, f"m{i}") for i in range(50)])
    print(" ", *cursor.execute("SELECT count(*), sum(id) FROM odbc_t").fetchone())
    cursor.execute("DROP TABLE odbc_t")
    connection.commit()


def declared(connection: Any) -> None:
    """UseDeclareFetch: every SELECT is a cursor in a transaction of the driver's."""
    for _ in range(5):
        cursor = connection.cursor()
        rows = cursor.execute("SELECT generate_series(1, ?::int)", 250).fetchall()
        print(" ", len(rows), sum(row[0] for row in rows))
        connection.commit()


def catalogue(connection: Any) -> None:
    cursor = connection.cursor()
    print(" ", *(row.table_name for row in cursor.tables("pg_am", schema="pg_catalog")))
    print(" ", *(row.column_name for row in cursor.columns("pg_am", schema="pg_catalog")))
    print(" ", connection.getinfo(pyodbc.SQL_DBMS_NAME), connection.getinfo(pyodbc.SQL_DBMS_VER))


def work() -> None:
    for state in ("0", "1", "2"):
        run(f"prepared, roll back {state}", prepared, Protocol=f"7.4-{state}")
        run(f"transactions, roll back {state}", transactions, autocommit=False, Protocol=f"7.4-{state}")
    run("prepared by the driver", prepared, UseServerSidePrepare="0")
    run("prepared in transactions", prepared, autocommit=False)
    run("declared", declared, autocommit=False, UseDeclareFetch="1", Fetch="40")
    run("declared, committing by itself", declared, UseDeclareFetch="1", Fetch="40")
    run("catalogue", catalogue)
    print(f"# backends {len(backends)}")


def ask(sql: str) -> None:
    """One prepared statement, run once for each line read; after an error it is prepared anew."""
    connection = connected()
    cursor = connection.cursor()
    # Only what has a parameter does the driver prepare.
    sql += " WHERE ? = 1"
    for _ in sys.stdin:
        try:
            row = cursor.execute(sql, 1).fetchone()
            names = [column[0] for column in cursor.description]
            print(",".join(f"{name}={value}" for name, value in zip(names, row)), flush=True)
        except pyodbc.Error as error:
            cursor = connection.cursor()
            print(f"!{error.args[0]}", flush=True)


def admin() -> None:
    for options in ({}, {"UseServerSidePrepare": "0"}):
        connection = connected(**options)
        for command in ("SHOW POOLS", "SHOW STATS"):
            for _ in range(3):
                cursor = connection.cursor().execute(command)
                print(command, cursor.description[0][0], len(cursor.fetchall()) > 0)
        connection.close()


if __name__ == "__main__":
    {"work": work, "ask": ask, "admin": admin}[sys.argv[1]](*sys.argv[2:])
