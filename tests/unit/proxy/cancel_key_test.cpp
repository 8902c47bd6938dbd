#include "proxy/cancel_key.hpp"

#include <doctest/doctest.h>

#include <array>

namespace weir::proxy {
namespace {

const std::array<std::byte, 32> kSeed{std::byte{1}, std::byte{2}};
const CancelKey kKey{0x02345678, 77, 32};

TEST_SUITE("cancel key") {
    TEST_CASE("cancel key: its own secret opens it") {
        CHECK(secret_of(kKey, kSeed).size() == 32);
        CHECK(is_secret_of(kKey, kSeed, secret_of(kKey, kSeed)));
        const CancelKey old{kKey.process_id, kKey.session_id, 4};
        CHECK(is_secret_of(old, kSeed, secret_of(old, kSeed)));
    }

    TEST_CASE("cancel key: the secret of another length does not open it, nor a part of its own") {
        for (const std::size_t bytes : {0U, 4U, 31U}) {
            CAPTURE(bytes);
            const CancelKey shorter{kKey.process_id, kKey.session_id, bytes};
            CHECK_FALSE(is_secret_of(kKey, kSeed, secret_of(shorter, kSeed)));
            CHECK_FALSE(is_secret_of(kKey, kSeed, ByteView{secret_of(kKey, kSeed)}.first(bytes)));
        }
    }

    TEST_CASE("cancel key: every process, session and seed has secrets of its own") {
        const auto secret = secret_of(kKey, kSeed);
        CHECK_FALSE(is_secret_of({kKey.process_id + 1, kKey.session_id, 32}, kSeed, secret));
        CHECK_FALSE(is_secret_of({kKey.process_id, kKey.session_id + 1, 32}, kSeed, secret));
        CHECK_FALSE(is_secret_of(kKey, std::array<std::byte, 32>{}, secret));
    }
}

}  // namespace
}  // namespace weir::proxy
