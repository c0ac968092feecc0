// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package spell finds the word that a misspelt one means, for the frame's errors and the tool's. It knows no words.
package spell

import "strings"

// Nearest is the known word that the misspelt one most likely means, letter case aside, or "".
func Nearest(word string, known []string) string {
	limit := max(2, len(word)/3) // two: a swap of neighbours is two changes
	if len(word) < 4 {
		limit = 1
	}
	best, distance := "", limit+1
	for _, k := range known {
		if len(word)-len(k) >= distance {
			continue // so many letters too many
		}
		if d := editDistance(strings.ToLower(word), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// editDistance counts the single-character changes between two words (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
