// SPDX-License-Identifier: Apache-2.0
#include "corpus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "text_folder.hpp"

namespace topics {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

Source folder(const TextFolder& text) {
  return {.folder = text.path(), .files = {}};
}

TEST(Corpus, SplitsALineIntoLowerCaseWords) {
  EXPECT_THAT(split_words("The cat's Hat, a 3rd time"),
              ElementsAre("the", "cat", "hat", "rd", "time"));
  EXPECT_THAT(split_words("na\xc3\xafve"), ElementsAre("na\xc3\xafve"));
  EXPECT_TRUE(split_words("1 2 - ?").empty());
}

TEST(Corpus, TakesEachLineOfAPlainFile) {
  EXPECT_THAT(split_lines("one line\n\n  \nanother\nlast, unended"),
              ElementsAre("one line ", "another ", "last, unended "));
}

TEST(Corpus, TakesEachEntryOfAFileOfFortunes) {
  EXPECT_THAT(split_lines("first\nfortune\n%\nsecond\n%\n%\nthird"),
              ElementsAre("first fortune ", "second ", "third "));
}

TEST(Corpus, HasATopicForEachFileInTheOrderOfTheirNames) {
  TextFolder text;
  text.write("sea.txt", TextFolder::lines("wave", 10));
  text.write("air", TextFolder::lines("wind", 20));
  text.write("air.dat", "an index");
  text.write(".hidden", "nothing");
  const Corpus corpus = read_corpus(folder(text));
  EXPECT_THAT(corpus.topics, ElementsAre("air", "sea"));
  EXPECT_EQ(corpus.training.size(), 16 + 8);
  EXPECT_EQ(corpus.held_out.size(), 4 + 2);
}

TEST(Corpus, DoesNotDependOnTheOrderOfLines) {
  TextFolder text;
  text.write("air", "aa bb\ncc\ndd\nee\nff\ngg\nhh\nii\njj\nkk\n");
  text.write("sea", TextFolder::lines("wave", 10));
  const Corpus one = read_corpus(folder(text));
  text.write("air", "kk\njj\nii\nhh\ngg\nff\nee\ndd\ncc\naa bb\n");
  const Corpus two = read_corpus(folder(text));
  EXPECT_EQ(one.words, two.words);
  ASSERT_EQ(one.training.size(), two.training.size());
  for (std::size_t i = 0; i < one.training.size(); ++i) {
    EXPECT_EQ(one.training[i].words, two.training[i].words);
  }
}

TEST(Corpus, LeavesOutWhatATopicHasTooMuch) {
  TextFolder text;
  text.write("air", TextFolder::lines("wind", 100));
  text.write("sea", TextFolder::lines("wave", 100));
  const Corpus corpus = read_corpus({.folder = text.path(), .files = {}, .lines_per_topic = 20});
  EXPECT_EQ(corpus.training.size() + corpus.held_out.size(), 40);
}

TEST(Corpus, RefusesWhatItCannotUse) {
  TextFolder text;
  EXPECT_THAT([&] { read_corpus({.folder = text.path() + "/none", .files = {}}); },
              ThrowsMessage<InputError>(HasSubstr("there is no folder")));
  text.write("air", TextFolder::lines("wind", 20));
  EXPECT_THAT([&] { read_corpus(folder(text)); },
              ThrowsMessage<InputError>(HasSubstr("at least two text files")));
  text.write("sea", "");
  EXPECT_THAT([&] { read_corpus(folder(text)); },
              ThrowsMessage<InputError>(HasSubstr("/sea has no line of text")));
  text.write("sea", "wave\n");
  EXPECT_THAT([&] { read_corpus(folder(text)); },
              ThrowsMessage<InputError>(HasSubstr("/sea has fewer than 10 lines")));
  EXPECT_THAT(
      [&] {
        read_corpus({.folder = text.path(), .files = {"air", "fire"}});
      },
      ThrowsMessage<InputError>(HasSubstr("cannot read")));
}

}  // namespace
}  // namespace topics
