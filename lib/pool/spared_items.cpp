// SPDX-License-Identifier: Apache-2.0
#include "pool/spared_items.hpp"

#include "mp/codec/reader.hpp"
#include "mp/codec/writer.hpp"

namespace mp::pool {

memory::Message write_spared(const std::vector<SparedItem>& items) {
  Writer out;
  out.write_count(items.size());
  for (const SparedItem& spared : items) {
    out.write_raw(spared.item);
    out.write_count(spared.outcome.size());
    out.write_bytes(spared.outcome.data(), spared.outcome.size());
  }
  const ByteView written = out.written();
  memory::Message message{written.size()};
  copy_bytes(message.payload().data(), written.data(), written.size());
  return message;
}

std::vector<KnownOutcome> read_spared(ByteView bytes) {
  Reader in{bytes};
  std::vector<KnownOutcome> items(in.read_count(sizeof(std::uint32_t), sizeof(KnownOutcome)));
  for (KnownOutcome& known : items) {
    known.item = in.read_raw<std::uint32_t>();
    known.outcome = in.read_view(in.read_count(1, 0));
  }
  return items;
}

}  // namespace mp::pool
