// terminal_picture.hpp: pictures as bytes for a terminal: as pixels, where it draws sixels, or as half-block characters
// in two colours each.
//
// Threads: plain functions.
#pragma once

#include <string>
#include <string_view>

#include "distri/services/picture.hpp"
#include "peer_screen.hpp"
#include "terminal.hpp"

namespace example {

// --pictures; automatic: sixels where the terminal says that it draws them, else blocks.
enum class PictureChoice { kAutomatic, kSixels, kBlocks, kNone };
// kInvalidArgument: none of "auto", "sixel", "blocks", "none".
distri::Result<PictureChoice> parse_picture_choice(std::string_view text);

enum class PictureForm { kSixels, kTrueColours, k256Colours, kNone };
// By the choice, the terminal, COLORTERM ("truecolor" or "24bit"), and whether there are half-blocks in the locale.
PictureForm picture_form(PictureChoice choice, bool draws_sixels);

// Draws the picture, as large as the box allows in its proportions. Empty: there is no room, or none is to be drawn.
// Moves the cursor; colours are as they were. Errors: kInternal: it cannot be scaled, or not made into sixels.
distri::Result<std::string> picture_bytes(const distri::services::Picture& picture, PictureForm form,
                                          const PictureBox& box, const TerminalSize& terminal);

}  // namespace example
