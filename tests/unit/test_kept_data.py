"""What outlives a stack, and what does not."""

from .graph import Graph


def kept(graph: Graph) -> set[str]:
    return {resource.token.rpartition(":")[2] for resource in graph.resources if resource.kept}


def test_data_outlives_the_stack_where_the_settings_say_so(cluster: Graph):
    assert {"Volume", "Database", "Role", "Realm", "S3Bucket", "S3BucketVersioning", "IlmPolicy"} <= kept(cluster)
    assert [volume.name for volume in cluster.of(":Volume") if not volume.kept] == []


def test_rights_never_outlive_the_stack_file_so_that_who_leaves_it_loses_them(cluster: Graph):
    rights = {"Group", "UserGroups", "User", "Client", "IamPolicy", "IamUser", "IamUserPolicyAttachment"}
    assert rights <= {resource.token.rpartition(":")[2] for resource in cluster.resources}
    assert not rights & kept(cluster)


def test_data_goes_with_the_dev_stack(dev: Graph):
    # The bucket goes with its volumes; MinIO would refuse to delete it while artifacts are in it.
    assert kept(dev) == {"S3Bucket", "S3BucketVersioning", "IlmPolicy"}
