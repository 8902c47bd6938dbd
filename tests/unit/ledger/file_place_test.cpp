#include "ledger/file_place.hpp"

#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <fstream>
#include <string>

namespace weir::ledger {

TEST_SUITE("file place") {
    TEST_CASE("file place: a lock is held once, and by whom is said") {
        const test::Folder folder;
        FileLock first;
        CHECK_FALSE(first.take(folder.file()));
        FileLock second;
        const auto problem = second.take(folder.file());
        REQUIRE(problem);
        CHECK(problem->find(std::to_string(::getpid())) != std::string::npos);
        first.release();
        CHECK_FALSE(second.take(folder.file()));
    }

    TEST_CASE("file place: files are private, also those that were not") {
        const test::Folder folder;
        CHECK_FALSE(make_private(folder.file("new")));

        struct stat status {};

        REQUIRE(::stat(folder.file("new").c_str(), &status) == 0);
        CHECK((status.st_mode & 0777U) == 0600U);
        CHECK_FALSE(create_private(folder.file("created")));
        REQUIRE(::stat(folder.file("created").c_str(), &status) == 0);
        CHECK((status.st_mode & 0777U) == 0600U);
        CHECK(create_private(folder.file("created")));
        std::ofstream{folder.file("open")} << "x";
        ::chmod(folder.file("open").c_str(), 0644);
        CHECK_FALSE(make_private(folder.file("open")));
        REQUIRE(::stat(folder.file("open").c_str(), &status) == 0);
        CHECK((status.st_mode & 0777U) == 0600U);
    }

    TEST_CASE("file place: a folder, a link and what is not there are refused") {
        const test::Folder folder;
        CHECK(make_private(folder.file("")));
        CHECK(make_private(folder.file("no/such")));
        CHECK(refuse_place(folder.file("no/such")));
        CHECK_FALSE(refuse_place(folder.file()));
        REQUIRE(::symlink("/etc/passwd", folder.file("link").c_str()) == 0);
        CHECK(make_private(folder.file("link")));
    }

    TEST_CASE("file place: a ballast takes real room, and is given up once") {
        const test::Folder folder;
        Ballast ballast{folder.file()};
        CHECK_FALSE(ballast.give_up());
        REQUIRE(ballast.make(1 << 20) == 1 << 20);

        struct stat status {};

        REQUIRE(::stat(folder.file("ledger.db-ballast").c_str(), &status) == 0);
        CHECK(status.st_size == 1 << 20);
        CHECK(status.st_blocks >= (1 << 20) / 512);
        CHECK(ballast.give_up());
        CHECK_FALSE(ballast.give_up());
    }

    TEST_CASE("file place: no character of a path means anything to SQLite") {
        CHECK(uri_of("/a/b.db") == "file:/a/b.db");
        CHECK(uri_of("/a?mode=rw#x%41 ä") == "file:/a%3Fmode%3Drw%23x%2541%20%C3%A4");
    }
}

}  // namespace weir::ledger
