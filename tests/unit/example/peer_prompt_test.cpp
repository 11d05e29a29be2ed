#include "peer_prompt.hpp"

#include <doctest/doctest.h>

#include <clocale>

using namespace example;
using Step = PeerPrompt::Step;
using Kind = Key::Kind;

namespace {

Step type(PeerPrompt& prompt, std::string_view text) {
  Step step = Step::kGoesOn;
  for (const char c : text) {
    step = prompt.key(c == '\r' ? Key{Kind::kEnter} : Key::of(static_cast<wchar_t>(c)));
  }
  return step;
}

PeerPrompt views(std::uint32_t least = 1, std::string proposal = "") {
  return PeerPrompt::views("How many?", std::move(proposal), least, {.kind = PeerCommand::Kind::kRequest});
}

}  // namespace

TEST_CASE("a wrong number of views is answered with what is accepted, as often as it takes") {
  for (const char* wrong : {"abc", "0", "10001", "-1", "1.5", "0x10", "99999999999999999999", "1 2"}) {
    PeerPrompt prompt = views();
    for (int i = 0; i < 3; ++i) {
      REQUIRE(type(prompt, std::string(wrong) + "\r") == Step::kGoesOn);
      CHECK(prompt.wrong() ==
            "'" + std::string(wrong) + "' is no number of views: a whole number from 1 to 10000 is accepted");
      CHECK(prompt.answer() == wrong);  // nothing is lost
      CHECK(prompt.marked());
    }
    REQUIRE(type(prompt, "10000\r") == Step::kDone);
    CHECK(prompt.command().views == 10'000);
    CHECK(prompt.command().kind == PeerCommand::Kind::kRequest);
  }
  PeerPrompt refusing = views(0);
  REQUIRE(type(refusing, " 0 \r") == Step::kDone);
  CHECK(refusing.command().views == 0);
}

TEST_CASE("a wrong answer can be mended instead of typed again") {
  PeerPrompt prompt = views();
  REQUIRE(type(prompt, "12x\r") == Step::kGoesOn);
  prompt.key({Kind::kBackspace});
  CHECK(prompt.answer() == "12");
  prompt.key({Kind::kHome});
  type(prompt, "3");
  prompt.key({Kind::kRight});
  prompt.key({Kind::kDelete});
  CHECK(prompt.answer() == "31");
  CHECK(prompt.answer_before_cursor() == "31");
  prompt.key({Kind::kLeft});
  CHECK(prompt.answer_before_cursor() == "3");
  REQUIRE(type(prompt, "\r") == Step::kDone);
  CHECK(prompt.command().views == 31);
}

TEST_CASE("a proposal is taken by Enter and replaced by typing") {
  PeerPrompt taken = views(1, "5");
  REQUIRE(type(taken, "\r") == Step::kDone);
  CHECK(taken.command().views == 5);
  PeerPrompt replaced = views(1, "5");
  REQUIRE(type(replaced, "2\r") == Step::kDone);
  CHECK(replaced.command().views == 2);
  PeerPrompt cleared = views(1, "5");
  cleared.key({Kind::kClear});
  CHECK(type(cleared, "\r") == Step::kGivenUp);
}

TEST_CASE("Escape, Ctrl-C and an empty answer give up") {
  for (const Kind each : {Kind::kEscape, Kind::kStop, Kind::kEnter}) {
    PeerPrompt prompt = views();
    CHECK(prompt.key({each}) == Step::kGivenUp);
    PeerPrompt question = PeerPrompt::yes_or_no("Really?", {});
    CHECK(question.key({each}) == Step::kGivenUp);
  }
  PeerPrompt blank = views();
  CHECK(type(blank, "   \r") == Step::kGivenUp);
}

TEST_CASE("a question for yes or no names the keys that answer it") {
  PeerPrompt prompt = PeerPrompt::yes_or_no("Really?", {.kind = PeerCommand::Kind::kRevoke});
  CHECK(type(prompt, "k") == Step::kGoesOn);
  CHECK(prompt.wrong() == "'k' is no answer: y does it; n, Enter or Escape leave everything as it is");
  CHECK(prompt.key({Kind::kUp}) == Step::kGoesOn);
  CHECK(prompt.wrong().starts_with("this key is no answer"));
  CHECK(type(prompt, "y") == Step::kDone);
  CHECK(prompt.command().kind == PeerCommand::Kind::kRevoke);
  PeerPrompt no = PeerPrompt::yes_or_no("Really?", {});
  CHECK(type(no, "n") == Step::kGivenUp);
}

TEST_CASE("an answer has an end") {
  PeerPrompt prompt = views();
  type(prompt, std::string(kAnswerMax + 5, '1'));
  CHECK(prompt.answer().size() == kAnswerMax);
  CHECK(prompt.wrong() == "an answer has at most 1024 characters");
  CHECK(type(prompt, "\r") == Step::kGoesOn);
  CHECK(prompt.wrong().size() < 200);
}
