"""The characters that East Asian texts use most, to tell a right decoding from a wrong one. Knows no bytes.

A right decoding has a third of its characters or more among them; a wrong one, where characters come out as if by dice,
a few in a hundred.
"""

EAST_ASIAN = ("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949")
SIMPLIFIED = (
    "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起"
    "还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知样现分将外但身些与高意进把法此实回二理美点月明其种声全工"
    "话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五"
    "太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今"
    "请数据文件设置接口默认值用户参数配置运行返回"
)
TRADITIONAL = (
    "這個來說們為時會對後過學國著裡麼沒還發當開無經頭見樣現將從動兩長與進實種聲話問機給業間電門東場書員報馬難體處總萬軍產關並氣聽"
    "應數據設檔案預請讓參值題專類連線網頁資訊統單點選擇義傳遞變數圖際認識觀點區營運計畫費資料庫歷歲歡迎歸納"
)
HANGUL = (
    "이다는을를에의가은로하고지도기한자사리서해그어나수인있시대아정스일들만여주라보제게구으과면부원것했성전상장안신무조적서우용오연경내공교"
    "마방비위동중요국진개모소문회와세물및발않분계관식할되된될니음없았었였던며습통등명선더데드러르트파타터램래거같까때또려너네바반받법변"
)
SIGNS = "、。，；：？！（）《》〈〉「」『』“”‘’…—·・ー　０１２３４５６７８９"
COMMON = frozenset(SIMPLIFIED + TRADITIONAL + HANGUL)
SIGN = frozenset(SIGNS)


def commonness(character: str) -> float:
    """Return how much a character speaks for its text, in [0, 1]."""
    if "\u3041" <= character <= "\u30f6" or character in COMMON:
        return 1.0
    return 0.5 if character in SIGN else 0.0
