"""What is measured on a trained model: accuracy, routing metrics, linear probes, test-time settings."""
