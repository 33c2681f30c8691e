"""Reports that leave the workspace: as one page that works without a server, as a paper, pictures and films."""
