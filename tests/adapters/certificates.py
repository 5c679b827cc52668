"""Certificates of nobody: made for these tests, for 127.0.0.1 and localhost."""

import ssl
from pathlib import Path

AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBpDCCAUmgAwIBAgIUFyfDeUmUSYN1P4YSi8V/QuUOiawwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbGd0bS1kZXBsb3kgdGVzdCBDQTAgFw0yNjEyMDEwMzE4NDla
GA8yMTI2MTEwNzAzMTg0OVowHjEcMBoGA1UEAwwTbGd0bS1kZXBsb3kgdGVzdCBD
QTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAIcSbv8vkzcrNbGOgPMOrJSvBtv
+XXpcn2iizFC5pGADt8OR4ZnO3o+JiMpu/fQDKa/yBgnn1lhB1D1t3GRmhajYzBh
MB0GA1UdDgQWBBSuKyntvU7oMD7za9i86EyemtTYiDAfBgNVHSMEGDAWgBSuKynt
vU7oMD7za9i86EyemtTYiDAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIB
BjAKBggqhkjOPQQDAgNJADBGAiEAyN5aFy7oSWTyag5r3SUnp2YiKIdvxLlCWcf/
+k3uyJACIQDyWOTrGw+RhltvgJrmntOAo+pjLjMP9A6TbJLOrQqV8A==
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgeLIzJbpsBYioSVDL
t2TvwBS5rnCb5xgOyu9MzwAgdaKhRANCAASRAS5ZLPCL7t+ssf3yLgxnHDMuAP7g
Geq0Iss44ev+1yhQ7JQeGbwCN8jkipDMEd9a5ngXu6AAPxeYu0y6LTae
-----END PRIVATE KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBszCCAVqgAwIBAgIUW1ihJ3kFr48OSyefWDdh0RvPrqEwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbGd0bS1kZXBsb3kgdGVzdCBDQTAgFw0yNjEyMDEwMzE4NTBa
GA8yMTI2MTEwNzAzMTg1MFowFDESMBAGA1UEAwwJMTI3LjAuMC4xMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEkQEuWSzwi+7frLH98i4MZxwzLgD+4BnqtCLLOOHr
/tcoUOyUHhm8AjfI5IqQzBHfWuZ4F7ugAD8XmLtMui02nqN+MHwwGgYDVR0RBBMw
EYcEfwAAAYIJbG9jYWxob3N0MBMGA1UdJQQMMAoGCCsGAQUFBwMBMAkGA1UdEwQC
MAAwHQYDVR0OBBYEFEhZqYhgiRdJHsZNg4MDsypRjHsyMB8GA1UdIwQYMBaAFK4r
Ke29TugwPvNr2LzoTJ6a1NiIMAoGCCqGSM49BAMCA0cAMEQCIHsyMUjzOFHmqlWX
RJlwjb3yNnH81xt6HiWt/eu/sG6GAiAqOoaAkRFMLnxpF8pGuy5rSjJ6qinGnXED
UuNMTYMRAQ==
-----END CERTIFICATE-----
"""


def server_context(folder: Path) -> ssl.SSLContext:
    """A server whose certificate the authority has signed."""
    file = folder / "server.pem"
    file.write_text(KEY + CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def authority_file(folder: Path) -> Path:
    """A file with the authority's certificate."""
    file = folder / "authority.pem"
    file.write_text(AUTHORITY)
    return file
