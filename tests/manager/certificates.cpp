// SPDX-License-Identifier: Apache-2.0
#include "manager/certificates.hpp"

#include <cctype>
#include <cstdio>
#include <memory>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <utility>

namespace mp::test {

namespace {

constexpr long kDay = 24 * 60 * 60;

void expect(bool good) {
  if (!good) {
    throw std::runtime_error{"OpenSSL refused to make a certificate"};
  }
}

X509* make_certificate(const std::string& name, EVP_PKEY* key, const X509* issuer, int days,
                       const std::string& alternative, bool is_authority, EVP_PKEY* signer) {
  static long serial = 0;
  X509* made = X509_new();
  expect(made != nullptr && X509_set_version(made, X509_VERSION_3) == 1);
  ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(made), -2 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(made), days * kDay);
  expect(X509_set_pubkey(made, key) == 1);
  X509_NAME* subject = X509_get_subject_name(made);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  expect(X509_set_issuer_name(made, issuer == nullptr ? subject : X509_get_subject_name(issuer)) ==
         1);
  const auto add = [made](int kind, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    expect(extension != nullptr && X509_add_ext(made, extension, -1) == 1);
    X509_EXTENSION_free(extension);
  };
  add(NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!alternative.empty()) {
    add(NID_subject_alt_name, alternative);
  }
  expect(X509_sign(made, signer, EVP_sha256()) != 0);
  return made;
}

template <class Write>
void write_file(const std::string& path, const Write& write) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file{std::fopen(path.c_str(), "w"), &std::fclose};
  expect(file != nullptr && write(file.get()) == 1);
}

}  // namespace

Authority::Authority(std::string folder, const std::string& name)
    : folder_{std::move(folder)}, file_{folder_ + "/" + name + ".pem"} {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  expect(key != nullptr);
  X509* self = make_certificate(name, key, nullptr, 1, {}, true, key);
  write_file(file_, [&](FILE* file) { return PEM_write_X509(file, self); });
  key_ = key;
  self_ = self;
}

Authority::~Authority() {
  X509_free(static_cast<X509*>(self_));
  EVP_PKEY_free(static_cast<EVP_PKEY*>(key_));
}

Authority::Files Authority::issue(const std::string& host, int days) const {
  static int number = 0;
  const std::string stem = folder_ + "/issued" + std::to_string(++number);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  const bool is_ip = std::isdigit(static_cast<unsigned char>(host.front())) != 0;
  X509* made =
      make_certificate(host, key, static_cast<X509*>(self_), days, (is_ip ? "IP:" : "DNS:") + host,
                       false, static_cast<EVP_PKEY*>(key_));
  Files files{stem + ".pem", stem + ".key"};
  write_file(files.certificate, [&](FILE* file) { return PEM_write_X509(file, made); });
  write_file(files.private_key, [&](FILE* file) {
    return PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
  X509_free(made);
  EVP_PKEY_free(key);
  return files;
}

}  // namespace mp::test
