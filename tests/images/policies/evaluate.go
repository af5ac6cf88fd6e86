// What MinIO's own policy library says that policies allow; the actions are those that it knows.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/minio/pkg/v3/policy"
)

type question struct {
	Policy, Bucket, Key string
	Conditions          map[string][]string
}

func main() {
	canned := map[string]policy.Policy{}
	for _, each := range policy.DefaultPolicies {
		canned[each.Name] = each.Definition
	}
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		log.Fatal(err)
	}
	answers := make([][]policy.Action, len(questions))
	for i, asked := range questions {
		document, known := canned[asked.Policy]
		if !known {
			if err := json.Unmarshal([]byte(asked.Policy), &document); err != nil {
				log.Fatal(err)
			}
		}
		answers[i] = document.IsAllowedActions(asked.Bucket, asked.Key, asked.Conditions).ToSlice()
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}
