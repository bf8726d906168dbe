"""What every job needs: files, seeds, locks, logs, progress, manifests, errors."""
