import Sidetone
