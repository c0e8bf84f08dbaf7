"""log.csv: every epoch once, whatever a kill has left."""

import pytest

from glomo_keras.pretraining.epoch_log import cut_log
from glomo_keras.pretraining.epoch_log import read_log


def test_a_log_is_cut_to_the_epochs_of_a_checkpoint(tmp_path, capsys):
    path = tmp_path / "log.csv"
    cut_log(path, 2)  # there is none
    for torn in (b"", b"epoch,val_"):
        path.write_bytes(torn)
        cut_log(path, 0)
        assert not path.exists()
    path.write_bytes(b"epoch,a\r\n0,1\r\n1,2\r\n2,3\r\n1,4\r\n2,5\r\n3,")
    with pytest.raises(ValueError, match=r"holds twice epochs \(2, 3\)"):
        read_log(path)
    cut_log(path, 2)
    assert path.read_bytes() == b"epoch,a\r\n0,1\r\n1,4\r\n"
    assert not capsys.readouterr().out
    cut_log(path, 3)
    assert "has the rows of 2 of 3 epochs" in capsys.readouterr().out
    cut_log(path, 0)
    assert path.read_bytes() == b"epoch,a\r\n"
