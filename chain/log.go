// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// LogConfig is the key "log", which every link accepts.
type LogConfig struct {
	// Level is debug, info, warn (default) or error. At debug every step is a line with its duration.
	Level string `json:"level,omitempty"`
	// File is an absolute path to append to, instead of stderr.
	File string `json:"file,omitempty"`
}

// newLogger is the call's logger. CNI_CHAIN_LOG (a level, or "json" for JSON lines at debug) wins over the
// configuration's level, so that a chain can be watched without editing its conflist.
func newLogger(c *call, plugin string) (*slog.Logger, *os.File, error) {
	level, err := logLevel(c)
	if err != nil {
		return nil, nil, err
	}
	out, file, err := logOutput(c)
	if err != nil {
		return nil, nil, err
	}
	handler := func() slog.Handler { return c.logHandler(out, level, plugin) }
	return slog.New(&lateHandler{level, sync.OnceValue(handler)}), file, nil
}

// lateHandler makes its handler when there is something to log, which is seldom: a process lives for two milliseconds.
type lateHandler struct {
	level slog.Level
	made  func() slog.Handler
}

func (h *lateHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *lateHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.made().Handle(ctx, r)
}

func (h *lateHandler) WithAttrs(attrs []slog.Attr) slog.Handler { return h.made().WithAttrs(attrs) }

func (h *lateHandler) WithGroup(name string) slog.Handler { return h.made().WithGroup(name) }

// logHandler writes lines that have who is called for what on each of them.
func (c *call) logHandler(out io.Writer, level slog.Level, plugin string) slog.Handler {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: shortValue}
	var handler slog.Handler = slog.NewTextHandler(out, options)
	if c.logging == "json" {
		handler = slog.NewJSONHandler(out, options)
	}
	fields := []slog.Attr{slog.String("plugin", plugin), slog.String("command", c.command), slog.String("network", c.head.Name)}
	for _, f := range []struct{ key, value string }{
		{"container", c.args.ContainerID}, {"ifname", c.args.IfName}, {"traceparent", c.trace},
	} {
		if f.value != "" {
			fields = append(fields, slog.String(f.key, f.value))
		}
	}
	return handler.WithAttrs(fields)
}

// shortValue bounds what a line takes: an error may hold a configuration, and journals cut lines or refuse them.
func shortValue(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		a.Value = slog.StringValue(shorten(err.Error()))
	} else if a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(shorten(a.Value.String()))
	}
	return a
}

func logLevel(c *call) (slog.Level, error) {
	level := slog.LevelWarn
	if text := c.head.Log.Level; text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil && c.strict() {
			return level, Invalid("log.level", text, "one of debug, info, warn, error")
		}
	}
	if c.logging == "json" {
		return slog.LevelDebug, nil
	}
	if c.logging != "" {
		_ = level.UnmarshalText([]byte(c.logging)) // a level that is none leaves the configuration's
	}
	return level, nil
}

// logOutput opens the log file. A log that cannot be written must not keep a DEL from cleaning up.
func logOutput(c *call) (io.Writer, *os.File, error) {
	path := c.head.Log.File
	if path == "" {
		return c.log, nil, nil
	}
	var err error
	var file *os.File
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		err = Invalid("log.file", path, "an absolute path")
	} else if file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o600); err != nil {
		err = Errorf(CodeIO, "open the log: log.file: %w", err)
	}
	switch {
	case err == nil:
		return file, file, nil
	case c.strict():
		return nil, nil, err
	}
	slog.New(slog.NewTextHandler(c.log, nil)).LogAttrs(context.Background(), slog.LevelWarn, "logging to stderr", slog.Any("err", err))
	return c.log, nil, nil
}

// strict says whether the verb refuses a configuration that is not right.
func (c *call) strict() bool { return c.command != "DEL" && c.command != "GC" }
