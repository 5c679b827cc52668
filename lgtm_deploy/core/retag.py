"""The AWS command that gives an image another tag."""


def retag_command(repository: str, digest: str, tag: str) -> str:
    """Return it, for the image of that digest (AWS: ECR user guide, "Retagging an image")."""
    manifest = (
        f"aws ecr batch-get-image --repository-name {repository} --image-ids imageDigest={digest} "
        "--query 'images[].imageManifest' --output text"
    )
    return f'aws ecr put-image --repository-name {repository} --image-tag {tag} --image-manifest "$({manifest})"'
