"""Indexes on Milvus, a server or a file of Milvus Lite: addresses, collections, and requests that read and write."""
