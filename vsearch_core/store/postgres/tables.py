"""The tables of an index on a PostgreSQL server.

They have the columns of the catalog's tables (`store.tables`), and hold the vectors and the postings, too. The large
ones are partitioned by the hash of their key. docs/adr/0057-postgresql.md has the reasons.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

PARTITIONS = 4
MOST_INDEXED_DIMENSIONS = 4000  # of half-precision vectors in pgvector's graphs
GRAPH = "vectors_graph"

_TABLES = {
    "settings": "key text PRIMARY KEY, value text NOT NULL",
    "sources": "path text PRIMARY KEY, options text NOT NULL",
    "passed_over": """
    path text PRIMARY KEY, size bigint NOT NULL, mtime_ns bigint NOT NULL, ctime_ns bigint NOT NULL,
    readers text NOT NULL, is_binary boolean NOT NULL, reason text NOT NULL""",
    "files": """
    id bigint PRIMARY KEY, path text COLLATE "C" NOT NULL, name text NOT NULL, ext text NOT NULL, dir text NOT NULL,
    size bigint NOT NULL, mtime_ns bigint NOT NULL, ctime_ns bigint NOT NULL, hash bytea NOT NULL,
    title text, language text, meta text NOT NULL, chunks integer NOT NULL, first_chunk bigint NOT NULL,
    crc bigint NOT NULL""",
    "removed_chunks": "id bigint PRIMARY KEY",
}
_PARTITIONED = {
    "chunks": (
        "id",
        """
    id bigint NOT NULL, file_id bigint NOT NULL, ordinal integer NOT NULL,
    start_char integer NOT NULL, end_char integer NOT NULL, start_line integer NOT NULL, end_line integer NOT NULL,
    page integer, heading text, hash bigint NOT NULL, text bytea NOT NULL, windows bytea, crc bigint NOT NULL,
    PRIMARY KEY (id)""",
    ),
    "vectors": (
        "id",
        "id bigint NOT NULL, vector vector({dimension}) NOT NULL, sample bigint NOT NULL, PRIMARY KEY (id)",
    ),
    "postings": (
        "term",
        """
    term bytea NOT NULL, segment integer NOT NULL, block integer NOT NULL, count integer NOT NULL,
    data bytea NOT NULL, PRIMARY KEY (term, segment, block)""",
    ),
}
_INDEXES = (
    "CREATE UNIQUE INDEX ON {schema}.files (path)",
    "CREATE INDEX ON {schema}.chunks (hash)",
    "CREATE INDEX ON {schema}.vectors (sample)",
)


def create_tables(connection: "Connection[Any]", schema: str, dimension: int) -> None:
    """Create the schema, if it is missing, and the tables of an index whose vectors have that dimension."""
    execute = connection.execute
    execute("CREATE EXTENSION IF NOT EXISTS vector")
    execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    for table, columns in _TABLES.items():
        execute(f"CREATE TABLE {schema}.{table} ({columns})")
    for table, (key, columns) in _PARTITIONED.items():
        execute(f"CREATE TABLE {schema}.{table} ({columns.format(dimension=dimension)}) PARTITION BY HASH ({key})")
        for number in range(PARTITIONS):
            part = f"{schema}.{table}_{number} PARTITION OF {schema}.{table}"
            execute(f"CREATE TABLE {part} FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})")
    for statement in _INDEXES:
        execute(statement.format(schema=schema))


def create_graph(connection: "Connection[Any]", schema: str, dimension: int) -> None:
    """Build pgvector's HNSW graph over the vectors in half precision, with M and ef_construction as pgvector has them.

    Vectors that are added later are linked into it.
    """
    graph = f"USING hnsw ((vector::halfvec({dimension})) halfvec_ip_ops) WITH (m = 16, ef_construction = 100)"
    connection.execute(f"CREATE INDEX {GRAPH} ON {schema}.vectors {graph}")
