// SPDX-License-Identifier: Apache-2.0
// A program that links the real library and uses nothing of it. 42: its main ran.
int main() {
  return 42;
}
