// Package schema turns a JSON Schema into a machine that accepts, byte by byte, only documents that the schema allows,
// and into the set of a vocabulary's tokens that may come next.
//
// It understands a subset: objects (properties, required), arrays (items, minItems, maxItems), strings (minLength,
// maxLength), numbers and integers (minimum, maximum, exclusiveMinimum, exclusiveMaximum), booleans, null, enum, const,
// lists of types, anyOf, oneOf of alternatives that can't both match, allOf of one, and $ref within the document, also
// recursively. Any other keyword that restricts a document is an error, never ignored.
//
// The documents are a part of what a schema allows: properties come in the schema's order and none that it does not
// name; one space may follow a comma or a colon, and no other white space is written; numbers have no exponent, at most
// 12 digits before the point and 6 after it (integers 15); strings are UTF-8 with no \u escapes.
package schema
