"""Make the missing ones of these buckets at AWS_ENDPOINT_URL: make_buckets.py NAME ..."""

import sys

import boto3
from botocore.config import Config

client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
for name in sys.argv[1:]:
    try:
        client.create_bucket(Bucket=name)
    except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        print(f"{name}: is there")
    else:
        print(f"{name}: made")
