// SPDX-License-Identifier: Apache-2.0
// manager/certificates.hpp — an authority that signs certificates for tests.
#pragma once

#include <string>

namespace mp::test {

class Authority {
 public:
  // Its own certificate is `folder`/`name`.pem.
  Authority(std::string folder, const std::string& name);
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  struct Files {
    std::string certificate;
    std::string private_key;
  };
  // A certificate for a host, a name or an IPv4 address. `days`: for how long it is good from now;
  // negative ones have passed.
  [[nodiscard]] Files issue(const std::string& host, int days = 1) const;

 private:
  std::string folder_;
  std::string file_;
  void* key_ = nullptr;   // an EVP_PKEY
  void* self_ = nullptr;  // an X509
};

}  // namespace mp::test
