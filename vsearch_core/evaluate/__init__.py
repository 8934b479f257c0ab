"""Measure the quality of search with judged queries, and tune the way an index combines scores."""
