"""Storage on disks and in S3; files are written completely or not at all."""
