// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// lock keeps others from the place's root directory. Its name is one of 36, as lock files stay: with one per file they
// would pile up.
func (p place) lock(ctx context.Context) (release func(), err error) {
	return lock.Acquire(ctx, "resolv-conf-"+owner.NetworkHash(p.Root, 1))
}

// add puts the part into the file, in place of one of the same owner, and returns that one, nil if there is none. What
// of the file's parts together no resolver would read is in cut. An error leaves everything as it was.
func (p place) add(ctx context.Context, sandbox *os.File, own part) (before *part, cut []string, err error) {
	release, err := p.lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	root, err := p.openRoot(sandbox)
	if isGone(err) {
		return nil, nil, chain.Errorf(codePlace, "%w", err)
	}
	if err != nil {
		return nil, nil, err
	}
	defer closeFile(root)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.removeDirs(root, false))
		}
	}()
	dir, err := p.makeDirs(root)
	if err != nil {
		return nil, nil, err
	}
	defer closeFile(dir)
	f, err := look(dir, filepath.Base(p.Path))
	if err != nil {
		return nil, nil, err
	}
	defer f.close()
	if p.inContainer() {
		if err := f.mayWrite(root); err != nil {
			return nil, nil, err
		}
	}
	c := f.content()
	if i := c.find(own.tag); i >= 0 {
		before = &c.parts[i]
	}
	c = c.without(func(tag string) bool { return tag != own.tag && !alive(tag) }).with(own)
	data, cut := c.bytes()
	if f.says(data) {
		return before, cut, nil
	}
	return before, cut, f.put(tempName(own.tag), data)
}

// content is what the file says, or, of a file that is not ours, one without parts that keeps it.
func (f *found) content() content {
	if f.was != nil && !f.was.link {
		if c, ours := parse([]byte(f.was.text)); ours {
			return c
		}
	}
	return content{was: f.was}
}

func (f *found) says(data []byte) bool {
	return f.was != nil && !f.was.link && f.was.text == string(data)
}

// remove takes the owner's part out of the file. With the last part the file goes, and what was there before comes
// back; so do the parts that have lost their owner. A file without the owner's part is left alone. orphan says that
// nothing is known of the directory: if it is one of /etc/netns and empty, it is removed with the file.
func (p place) remove(ctx context.Context, sandbox *os.File, tag string, orphan bool) error {
	release, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	root, err := p.openRoot(sandbox)
	if isGone(err) || errors.Is(err, errHostRoot) {
		return p.forgetDirs()
	}
	if err != nil {
		return err
	}
	defer closeFile(root)
	after, err := p.removePart(root, tag)
	if err := unlessMoved(err); err != nil {
		return err
	}
	if after == othersLeft {
		return nil
	}
	if after == nothingLeft && orphan && p.Root == "/" {
		if err := removeDir(root, filepath.Dir(p.Path)); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
			return err
		}
	}
	return p.removeDirs(root, p.alone())
}

// What a removal leaves in the place.
type left int

const (
	foreignLeft left = iota // nothing of ours: what was there before, or what somebody has put there
	nothingLeft             // our file is gone, and there was none before
	othersLeft              // parts of other owners
)

// removePart does the work of remove in the file's directory.
func (p place) removePart(root *os.File, tag string) (left, error) {
	dir, err := openDir(root, filepath.Dir(p.Path))
	if err != nil {
		return foreignLeft, err
	}
	defer closeFile(dir)
	temp := tempName(tag)
	if err := unlink(dir, temp); err != nil { // of an ADD that was killed
		return foreignLeft, err
	}
	f, err := look(dir, filepath.Base(p.Path))
	if err != nil {
		return foreignLeft, err
	}
	defer f.close()
	c := f.content()
	rest := c.without(func(other string) bool { return other == tag || !alive(other) })
	switch {
	case c.find(tag) < 0 && len(c.parts) > 0:
		return othersLeft, nil
	case c.find(tag) < 0:
		return foreignLeft, nil
	case len(rest.parts) > 0:
		data, _ := rest.bytes()
		return othersLeft, f.put(temp, data)
	case c.was == nil && f.mount == nil:
		return nothingLeft, f.restore(temp, nil)
	}
	return foreignLeft, f.restore(temp, c.was)
}

// unlessMoved is nil for the errors that say that what is there now is nothing of ours: somebody has put a link, a
// pipe, a directory or a mount in its place, or nothing. A container must not be able to keep its own DEL from
// succeeding.
func unlessMoved(err error) error {
	for _, errno := range []error{unix.ENOENT, unix.ENOTDIR, unix.EISDIR, unix.EEXIST, unix.ELOOP, unix.EXDEV} {
		if errors.Is(err, errno) {
			return nil
		}
	}
	if chain.CodeOf(err) == codePlace {
		return nil
	}
	return err
}

// check compares the file with what it says it is, and the owner's part with the lines that ADD wrote. Other parts may
// have come or gone.
func (p place) check(ctx context.Context, sandbox *os.File, tag string, lines []string) error {
	release, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	root, err := p.openRoot(sandbox)
	if isGone(err) {
		return chain.Errorf(codeMissing, "%s is missing: %w", p, err)
	}
	if err != nil {
		return err
	}
	defer closeFile(root)
	dir, err := openDir(root, filepath.Dir(p.Path))
	if err != nil {
		return chain.Errorf(codeMissing, "%s is missing: %w", p, err)
	}
	defer closeFile(dir)
	f, err := look(dir, filepath.Base(p.Path))
	if err != nil {
		return err
	}
	defer f.close()
	if f.was == nil {
		return chain.Errorf(codeMissing, "%s is missing: somebody has removed it", p)
	}
	return f.compare(p, tag, lines)
}

func (f *found) compare(p place, tag string, lines []string) error {
	c := f.content()
	i := c.find(tag)
	if i < 0 {
		return chain.Errorf(codeChanged, "%s was changed: it has no part of %s", p, tag)
	}
	if has := c.parts[i].lines(); !slices.Equal(has, lines) {
		return chain.Errorf(codeChanged, "%s was changed: %s says %q there, and said %q", p, tag,
			strings.Join(has, "; "), strings.Join(lines, "; "))
	}
	if data, _ := c.bytes(); !f.says(data) {
		return chain.Errorf(codeChanged, "%s was changed: its lines are not those that its parts come to", p)
	}
	return nil
}

// tempName is the name of a file that is being written for the owner. It begins with a dot and is short, as names of
// files have at most 255 bytes.
func tempName(tag string) string { return fmt.Sprintf(".cni-chain-%s", hash(tag)) }
