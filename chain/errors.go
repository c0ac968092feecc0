// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/containernetworking/cni/pkg/types"
)

// Codes of the error document (SPEC.md 1.1.0, section Error). A link documents its own from 101 on.
const (
	CodeVersion      uint = 1   // incompatible CNI version
	CodeUnsupported  uint = 2   // unsupported field: the message has key and value
	CodeContainer    uint = 3   // unknown container: DEL is not needed
	CodeEnvironment  uint = 4   // invalid environment: the message names the variables
	CodeIO           uint = 5   // input or output failed
	CodeDecoding     uint = 6   // the configuration cannot be decoded
	CodeConfig       uint = 7   // the configuration is invalid
	CodeNetNS        uint = 8   // CNI_NETNS is no network namespace, or the host's own
	CodeTryAgain     uint = 11  // trying again may help
	CodeNotAvailable uint = 50  // STATUS: an ADD cannot work now
	CodeLimited      uint = 51  // STATUS: nor do existing attachments fully work
	CodeStep         uint = 100 // a step failed; the message says which and what the kernel said
	CodeInternal     uint = 999 // a bug
)

// Error is an error with a CNI code. The outermost one in a chain of wrapped errors decides.
type Error struct {
	Code    uint
	Err     error
	Details string
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives errors.Is and errors.As the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf is fmt.Errorf with a CNI code.
func Errorf(code uint, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// Invalid reports a value that the configuration must not have (code 7): where it stands, what it is, and why not.
func Invalid(path string, value any, format string, args ...any) error {
	return Errorf(CodeConfig, "%s: %s: %s", path, quote(value), fmt.Sprintf(format, args...))
}

// CodeOf is the CNI code that the error would be answered with.
func CodeOf(err error) uint {
	var own *Error
	var lib *types.Error
	switch {
	case errors.As(err, &own):
		return own.Code
	case errors.As(err, &lib):
		return lib.Code
	}
	// What passes by itself: somebody else holds it, or memory is short (errno(3)).
	for _, errno := range []error{syscall.EAGAIN, syscall.EBUSY, syscall.EINTR, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return CodeTryAgain
		}
	}
	return CodeStep
}

// asCNIError is the error as a document, its message beginning with the plugin's name.
func asCNIError(plugin string, err error) *types.Error {
	e := &types.Error{Code: CodeOf(err), Msg: printable(err.Error())}
	var own *Error
	var lib *types.Error
	if errors.As(err, &own) {
		e.Details = own.Details
	} else if errors.As(err, &lib) {
		e.Details = lib.Details
	}
	if !strings.HasPrefix(e.Msg, plugin+": ") {
		e.Msg = plugin + ": " + e.Msg
	}
	e.Details = printable(e.Details)
	return e
}

// maxMessage is how many bytes of a message are passed on. Runtimes put it in events and logs, which have limits.
const maxMessage = 4000

// shorten leaves out the middle of a long text: the cause stands at the end.
func shorten(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	half := maxMessage/2 - 50
	return fmt.Sprintf("%s [%d bytes left out] %s", text[:half], len(text)-2*half, text[len(text)-half:])
}

// printable is the text as one line that a terminal shows and does not obey: paths and the kernel's answers may have
// any bytes. It is shortened again at the end, since a byte can become four.
func printable(text string) string {
	var b strings.Builder
	text = shorten(strings.ReplaceAll(text, "\n", "; "))
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case !unicode.IsPrint(r):
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
	}
	return strings.ToValidUTF8(shorten(b.String()), "")
}

// quote shows a configured value as JSON would, at most 80 bytes of it.
func quote(value any) string {
	text := fmt.Sprintf("%v", value)
	if s, ok := value.(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:77], "") + "..."
	}
	return text
}
