// Prints what github.com/robfig/cron/v3 (the parser of Kubernetes' CronJob) makes of each line of
// its input, "FROM ZONE EXPRESSION": the next five ticks, or the word "refused".
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), " ", 3)
		fmt.Printf("%s\t%s\n", lines.Text(), ticks(parts[0], parts[1], parts[2]))
	}
}

func ticks(from, zone, expression string) string {
	location, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	at, err := time.Parse(time.RFC3339, from)
	if err != nil {
		panic(err)
	}
	schedule, err := cron.ParseStandard(expression)
	if err != nil {
		return "refused"
	}
	found := []string{}
	at = at.In(location)
	for range 5 {
		at = schedule.Next(at)
		if at.IsZero() {
			break
		}
		found = append(found, at.UTC().Format("2006-01-02T15:04"))
	}
	return strings.Join(found, " ")
}
