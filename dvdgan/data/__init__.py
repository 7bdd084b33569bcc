"""Videos in, clips out: inspection, splits, shards, the loader."""
