"""Indexes on a PostgreSQL server with the extension pgvector: addresses, tables, and the SQL that reads and writes."""
