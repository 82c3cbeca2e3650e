"""`treegen schema`."""

import click


@click.command("schema")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Print the JSON Schema of a document: domain, score or tree. Without NAME, list them."""
    from treegen.resources import read_schema, schema_names

    click.echo(read_schema(name).rstrip("\n") if name else "\n".join(schema_names()))
