"""The networks whose features the metrics compare. They need torch, numpy and safetensors alone."""
