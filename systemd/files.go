package systemd

import _ "embed"

// Unit is edgevlm.service, SysUsers its user and groups, UdevRules the rights to its devices: the files that
// the packages install.
var (
	//go:embed edgevlm.service
	Unit []byte
	//go:embed edgevlm.sysusers
	SysUsers []byte
	//go:embed edgevlm.rules
	UdevRules []byte
)
