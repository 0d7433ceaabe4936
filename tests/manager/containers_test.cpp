// SPDX-License-Identifier: Apache-2.0
#include "mp/manager/containers.hpp"

#include <gtest/gtest.h>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "mp/errors.hpp"
#include "mp/manager.hpp"

namespace mp {
namespace {

struct Unordered {
  int x = 0;
};

class Containers : public testing::Test {
 protected:
  Manager manager;
};

TEST_F(Containers, ADictIsADict) {
  const auto dict = manager.dict<std::string, int>({{"a", 1}, {"b", 2}});
  EXPECT_EQ(dict.at("a"), 1);
  EXPECT_THROW((void)dict.at("z"), std::out_of_range);
  EXPECT_EQ(dict.find("z"), std::nullopt);
  EXPECT_EQ(dict.find("b"), 2);
  EXPECT_EQ(dict.get("z", 9), 9);
  dict["c"] = 3;
  dict["c"] += 4;
  const int c = dict["c"];
  EXPECT_EQ(c, 7);
  EXPECT_EQ(dict.setdefault("c", 1), 7);
  EXPECT_EQ(dict.setdefault("d", 1), 1);
  EXPECT_EQ(dict.keys(), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(dict.pop("d"), 1);
  EXPECT_EQ(dict.pop("d", 5), 5);
  EXPECT_THROW((void)dict.pop("d"), std::out_of_range);
  EXPECT_EQ(dict.popitem(), (std::pair<std::string, int>{"c", 7}));
  dict.erase("a");
  EXPECT_THROW(dict.erase("a"), std::out_of_range);
  EXPECT_EQ(dict.size(), 1u);
  dict.clear();
  EXPECT_TRUE(dict.empty());
  EXPECT_THROW((void)dict.popitem(), std::out_of_range);
}

TEST_F(Containers, AWholeDictGoesInOneTrip) {
  const auto dict = manager.dict<int, std::string>();
  dict.update(std::map<int, std::string>{{3, "three"}, {1, "one"}});
  EXPECT_EQ(dict.items(), (std::vector<std::pair<int, std::string>>{{1, "one"}, {3, "three"}}));
  EXPECT_EQ(dict.get_many(std::vector{3, 2}),
            (std::vector<std::pair<int, std::string>>{{3, "three"}}));
  std::string all;
  for (const auto& [key, value] : dict) {
    all += value;
  }
  EXPECT_EQ(all, "onethree");
  EXPECT_EQ(dict.values().size(), 2u);
}

TEST_F(Containers, ReadModifyWriteIsOneStep) {
  const auto dict = manager.dict<std::string, double>();
  EXPECT_EQ(dict.increment("x", 1.5), 1.5);
  EXPECT_EQ(dict.increment("x", 1.0), 2.5);
  EXPECT_FALSE(dict.compare_exchange("x", 1.0, 9.0));
  EXPECT_TRUE(dict.compare_exchange("x", 2.5, 9.0));
  EXPECT_EQ(dict.at("x"), 9.0);
  const auto texts = manager.dict<int, std::string>();
  texts.set(1, "one");
  EXPECT_THROW((void)texts.raw().call<std::string>("increment", 1, std::string{"x"}), UsageError);
  EXPECT_EQ(texts.at(1), "one");
}

TEST_F(Containers, AListIsAList) {
  const auto list = manager.list<int>({3, 1, 2});
  list.append(5);
  list.extend(std::vector{7, 8});
  list.insert(0, 9);
  list.insert(-100, 10);
  EXPECT_EQ(list.copy(), (std::vector{10, 9, 3, 1, 2, 5, 7, 8}));
  list.sort();
  EXPECT_EQ(list.copy(), (std::vector{1, 2, 3, 5, 7, 8, 9, 10}));
  list.sort(true);
  list.reverse();
  EXPECT_EQ(list.slice(1, -5), (std::vector{2, 3}));
  EXPECT_EQ(list.slice(-2, 100), (std::vector{9, 10}));
  EXPECT_EQ(list[-1].get(), 10);
  list[0] = 100;
  list[0] += 1;
  EXPECT_EQ(list.at(0), 101);
  EXPECT_THROW((void)list.at(8), std::out_of_range);
  EXPECT_THROW(list.set(-9, 1), std::out_of_range);
  EXPECT_TRUE(list.contains(5));
  EXPECT_EQ(list.index(5), 3u);
  EXPECT_EQ(list.count(6), 0u);
  list.remove(5);
  EXPECT_THROW(list.remove(5), std::invalid_argument);
  EXPECT_EQ(list.pop(), 10);
  EXPECT_EQ(list.pop(0), 101);
  list.erase(-1);
  int sum = 0;
  for (const int x : list) {
    sum += x;
  }
  EXPECT_EQ(sum, 2 + 3 + 7 + 8);
  list.clear();
  EXPECT_THROW((void)list.pop(), std::out_of_range);
}

TEST_F(Containers, WhatHasNoOrderIsNotSorted) {
  const auto list = manager.list<Unordered>();
  list.append({2});
  list.append({1});
  EXPECT_THROW(list.sort(), UsageError);
  EXPECT_EQ(list.at(0).x, 2);
}

TEST_F(Containers, ASetIsASet) {
  const auto set = manager.set<std::string>({"a", "b"});
  EXPECT_TRUE(set.add("c"));
  EXPECT_FALSE(set.add("a"));
  EXPECT_TRUE(set.contains("b"));
  EXPECT_TRUE(set.discard("b"));
  EXPECT_FALSE(set.discard("b"));
  EXPECT_THROW(set.remove("b"), std::out_of_range);
  set.update(std::vector<std::string>{"a", "d"});
  EXPECT_EQ(set.size(), 3u);
  (void)set.pop();
  EXPECT_EQ(set.copy().size(), 2u);
  set.clear();
  EXPECT_THROW((void)set.pop(), std::out_of_range);
}

TEST_F(Containers, ANamespaceHasAttributesOfAllTypes) {
  const auto names = manager.Namespace();
  names.set("x", 10);
  names.set("text", "hello");
  names.set("numbers", std::vector{1, 2});
  EXPECT_EQ(names.get<int>("x"), 10);
  EXPECT_EQ(names.increment("x", 5), 15);
  EXPECT_EQ(names.get<std::string>("text"), "hello");
  EXPECT_EQ(names.get<std::vector<int>>("numbers"), (std::vector{1, 2}));
  EXPECT_THROW((void)names.get<std::string>("x"), TypeMismatch);
  names.erase("x");
  EXPECT_FALSE(names.contains("x"));
  EXPECT_THROW((void)names.get<int>("x"), std::out_of_range);
}

TEST_F(Containers, ValuesAndArraysAreServed) {
  const auto value = manager.Value<double>(1.5);
  EXPECT_EQ(value.increment(2.0), 3.5);
  value.set(4.0);
  EXPECT_TRUE(value.compare_exchange(4.0, 5.0));
  EXPECT_EQ(value.get(), 5.0);
  const auto array = manager.Array<int>({1, 2, 3});
  array[-1] = 9;
  EXPECT_EQ(array.copy(), (std::vector{1, 2, 9}));
  EXPECT_EQ(array.size(), 3u);
  EXPECT_THROW((void)array.at(3), std::out_of_range);
}

TEST_F(Containers, TheWrongTypeChangesNothing) {
  const auto dict = manager.dict<std::string, int>();
  EXPECT_THROW(dict.raw().call("__setitem__", std::string{"a"}, 1.5), TypeMismatch);
  EXPECT_THROW(dict.raw().call("__setitem__", 1, 1), TypeMismatch);
  EXPECT_THROW(dict.raw().call("update", std::string{"a"}, 1, std::string{"b"}, 2.0), TypeMismatch);
  EXPECT_TRUE(dict.empty());
  EXPECT_THROW((DictProxy<int, int>{dict.raw()}), TypeMismatch);
  EXPECT_THROW((ListProxy<int>{dict.raw()}), TypeMismatch);
}

}  // namespace
}  // namespace mp
