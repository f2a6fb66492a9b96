// Kstatus says of each object that it reads, one JSON document a line, what the kstatus package
// makes of it: InProgress, Current, Failed, Terminating or Unknown, a tab, and its message.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		object := &unstructured.Unstructured{}
		if err := json.Unmarshal(lines.Bytes(), object); err != nil {
			panic(err)
		}
		result, err := status.Compute(object)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s\t%s\n", result.Status, result.Message)
	}
}
