// Package watch makes events of answers: "notify when person is yes with probability > 0.8 for 3 s, cooldown 1 min".
//
// A condition is one line:
//
//	line   = [ "notify" [ quoted ] ] [ "when" ] any { "for" time | "clear after" time | "cooldown" time }
//	any    = all { "or" all }
//	all    = one { "and" one }
//	one    = "not" one | "(" any ")" | test
//	test   = name [ "is" [ "not" ] value ] [ [ "with" ] "probability" bound ]
//	       | name bound
//	bound  = compare number [ "until" compare number ]
//	compare= ">" | ">=" | "<" | "<=" | "=" | "!="
//	time   = number unit, as in 500ms, 3 s, 2 min, 1h; parts may follow one another: 1m 30s
//
// A name is a question's; alone it means that its answer is yes. Values are compared without regard to case. Names and
// values that are more than letters, digits, _ and -, or that are words of the grammar, stand in quotes, "half open".
// Commas may stand before the last clauses. Probability is that of the value asked for, whether or not it is the answer
// given.
//
// "for" is how long all must hold before the event starts, "clear after" how long it must not hold before the event
// ends. "until" is hysteresis: what was met stays met until the second bound is. "cooldown" is the least time from one
// start to the next; what begins within it starts when it is over, if it still holds then.
package watch
