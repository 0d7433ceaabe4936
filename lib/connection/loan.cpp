// SPDX-License-Identifier: Apache-2.0
#include "mp/connection/loan.hpp"

#include "mp/base/contract.hpp"

namespace mp {

Loan::Loan(MessageView&& view) {
  MP_EXPECTS(view.parcel_ != nullptr, "there is no message in the view");
  parcel_ = std::make_unique<detail::Outgoing>(std::move(*view.parcel_));
  view.parcel_.reset();
}

}  // namespace mp
