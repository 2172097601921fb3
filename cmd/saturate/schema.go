package main

import (
	"github.com/spf13/cobra"

	"saturate/scenarios"
)

const schemaLong = `
schema prints the JSON Schema of a scenario file. Editors that speak the YAML
language server (VS Code, Neovim, JetBrains) complete and explain every key of
a file whose first line names it:

    saturate schema > scenario.schema.json
    # yaml-language-server: $schema=scenario.schema.json
`

func newSchemaCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a scenario file",
		Long:  schemaLong,
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			_, err := env.stdout.Write(scenarios.Schema())
			return err
		},
	}
}
