// Package stream is what a model has seen of a live camera: a window over the newest seconds in which every pair of frames
// is encoded once and every row is prefilled at most twice, however often the window is asked about.
//
// Pairs groups frames two by two and irons out their clock. A Window takes the pairs. A question forks it at the end of its
// frames. In the exact mode an answer is that of a fresh run over the window's frames: two sequences of the model are under way, the
// second one begun when the first is half a window old, and when the first is a window old the second one takes its place. The
// window is therefore between half and all of its nominal length. The rolling mode keeps one sequence and evicts its oldest
// pair, at half the work; what stays has seen what is gone, so that answers are not those of a fresh run.
//
// Savings leave out what did not change: cells of the picture whose pixels are, but for noise, slow light and a camera that
// shakes a little, those that the model got last do not reach the decoder again, and the vision tower computes the others
// only. What is asked about is first brought up to date: cells that the decoder has only from well before the last change are
// given again, once.
package stream
