"""Jobs, followed: on the pages and in the header."""
