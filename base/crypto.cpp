#include "base/crypto.hpp"

#include "base/check.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace weir::crypto {

namespace {

constexpr std::size_t kBase64Group = 4;
constexpr std::size_t kBase64Bytes = 3;

const unsigned char* raw(ByteView bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

template <std::size_t N>
unsigned char* out(std::array<std::byte, N>& bytes) {
    return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace

Sha256 sha256(ByteView data) {
    Sha256 digest{};
    WEIR_CHECK(EVP_Digest(data.data(), data.size(), out(digest), nullptr, EVP_sha256(), nullptr) ==
               1);
    return digest;
}

Sha256 hmac_sha256(ByteView key, ByteView data) {
    Sha256 digest{};
    unsigned int length = kSha256Bytes;
    WEIR_CHECK(HMAC(EVP_sha256(),
                    key.data(),
                    static_cast<int>(key.size()),
                    raw(data),
                    data.size(),
                    out(digest),
                    &length) != nullptr);
    return digest;
}

Sha256 pbkdf2_sha256(std::string_view password, ByteView salt, unsigned iterations) {
    Sha256 derived{};
    WEIR_CHECK(PKCS5_PBKDF2_HMAC(password.data(),
                                 static_cast<int>(password.size()),
                                 raw(salt),
                                 static_cast<int>(salt.size()),
                                 static_cast<int>(iterations),
                                 EVP_sha256(),
                                 static_cast<int>(derived.size()),
                                 out(derived)) == 1);
    return derived;
}

std::string md5_hex(ByteView data) {
    constexpr std::size_t kMd5Bytes = 16;
    constexpr std::string_view kHex = "0123456789abcdef";
    std::array<std::byte, kMd5Bytes> digest{};
    // MD5 is no secret-keeper here: it is what the protocol's "md5" method is made of.
    WEIR_CHECK(EVP_Digest(data.data(), data.size(), out(digest), nullptr, EVP_md5(), nullptr) == 1);
    std::string hex;
    hex.reserve(digest.size() * 2);
    for (const std::byte byte : digest) {
        hex += kHex[std::to_integer<std::size_t>(byte >> 4U)];
        hex += kHex[std::to_integer<std::size_t>(byte & std::byte{15})];
    }
    return hex;
}

std::string base64_encode(ByteView data) {
    std::string text((data.size() + kBase64Bytes - 1) / kBase64Bytes * kBase64Group + 1, '\0');
    const int length = EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(text.data()), raw(data), static_cast<int>(data.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

std::optional<std::vector<std::byte>> base64_decode(std::string_view text) {
    if (text.size() % kBase64Group != 0) {
        return std::nullopt;
    }
    std::vector<std::byte> data(text.size() / kBase64Group * kBase64Bytes);
    const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(data.data()),
                                       reinterpret_cast<const unsigned char*>(text.data()),
                                       static_cast<int>(text.size()));
    if (length < 0) {
        return std::nullopt;
    }
    const std::size_t padding = text.ends_with("==") ? 2 : (text.ends_with("=") ? 1 : 0);
    data.resize(static_cast<std::size_t>(length) - padding);
    // OpenSSL skips white space and accepts '=' inside; only the canonical spelling may pass.
    if (base64_encode(data) != text) {
        return std::nullopt;
    }
    return data;
}

bool equal_in_constant_time(ByteView left, ByteView right) {
    return left.size() == right.size() &&
           CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace weir::crypto
