//go:build tools

package goss

import _ "github.com/goss-org/goss/cmd/goss"
