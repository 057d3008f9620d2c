// Reads compose.yaml of the working directory as `docker compose config` does, with the variables of the environment, and
// prints it whole as JSON. The library's own command leaves the environment out.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	text, err := read()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(text))
}

func read() ([]byte, error) {
	options, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithOsEnv, cli.WithDotEnv)
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	return project.MarshalJSON()
}
