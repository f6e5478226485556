package systemd

import "embed"

// DropIns are examples for /etc/systemd/system/edgevlm.service.d: what the unit has to allow, beyond itself, for one kind of
// camera child or for the delegate worker. None is installed unless the administrator does.
//
//go:embed edgevlm.service.d/*.conf.example
var DropIns embed.FS
